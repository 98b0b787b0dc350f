"""The flight recorder: what dnsmasq, nginx, the target server and machines themselves say becomes boots."""
