"""The boot ROM of a Raspberry Pi, played: what it says on the wire, what it refuses, what it fetches."""
