"""The boot network's wire itself: which other servers answer on it, and the packet that wakes a machine."""
