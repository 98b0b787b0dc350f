"""What dnsmasq answers a machine's firmware, option by option, read from the configuration that it is given.

Pure. dnsmasq's own rules where the configuration says nothing: rfc2131.c of 2.90 (dhcp_reply, do_options,
pxe_opts, pxe_uefi_workaround); tests hold each answer against a real dnsmasq.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network

_ARCHITECTURES = {"x86PC": 0, "BC_EFI": 7, "x86-64_EFI": 9, "ARM64_EFI": 11}
_NUMBERS = {"option:tftp-server": 66, "option:client-arch": 93, "option:client-machine-id": 97}
_FIRST_UEFI = 6  # architectures from here on ask again on port 4011
_USE_THE_FILE, _MENU_ALONE = 8, 3  # PXE 2.1, discovery control
LEASE_SECONDS = {"1h": 3600}
NAMES = {
    1: "Netmask", 3: "Router", 28: "Broadcast address", 43: "PXE options", 51: "Lease time",
    53: "Message", 54: "Server", 58: "Renewal time", 59: "Rebinding time", 60: "Vendor class",
    66: "TFTP server", 97: "Machine id", 175: "iPXE options",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asker:
    """What a machine's firmware or boot loader says of itself."""

    mac: str
    vendor_class: str
    architecture: int
    user_class: str = ""
    machine_id: bytes = b""
    is_ipxe: bool = False  # it sends option 175
    wants: frozenset[int] = frozenset({1, 3, 43, 54, 60, 66, 67, 128, 129, 175})


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an answer."""

    number: int
    octets: bytes

    @property
    def name(self) -> str:
        """What it is for."""
        return NAMES[self.number]

    @property
    def text(self) -> str:
        """Its value as a person reads it."""
        match self.number:
            case 53:
                return {2: "offer", 5: "acknowledgement"}[self.octets[0]]
            case 1 | 3 | 28 | 54:
                return str(IPv4Address(self.octets))
            case 51 | 58 | 59:
                return f"{int.from_bytes(self.octets)} s"
            case 60 | 66:
                return self.octets.rstrip(b"\0").decode()
            case 97:
                return "as the machine sent it"
        return self.octets.hex(" ")


@dataclass(frozen=True, slots=True)
class DhcpAnswer:
    """One answer: the fields of its head, and its options by number. No address: another server's matter."""

    kind: str  # `offer`, or `boot server`: what the same dnsmasq says on port 4011
    address: str  # what it hands out, in words; empty: none
    next_server: str
    file: str
    options: tuple[Option, ...]


@dataclass(slots=True)
class _Config:
    """The lines that matter, by directive."""

    lines: list[tuple[str, list[str]]]
    interface: str
    tags: set[str] = field(default_factory=set)

    def of(self, name: str) -> Iterator[list[str]]:
        return (words for directive, words in self.lines if directive == name)

    def applying(self, name: str) -> Iterator[list[str]]:
        """What remains of lines whose tags all are there."""
        for words in self.of(name):
            tags = [word.removeprefix("tag:") for word in words if word.startswith("tag:")]
            if all(self.holds(tag) for tag in tags):
                yield words[len(tags) :]

    def holds(self, tag: str) -> bool:
        return tag[1:] not in self.tags if tag.startswith("!") else tag in self.tags


def answers_of(text: str, interface: str, asker: Asker) -> list[DhcpAnswer]:
    """What a machine on an interface is answered by a dnsmasq with this configuration; nothing: no answer."""
    config = _Config([_parsed(line) for line in text.splitlines() if "=" in line], interface)
    pool = _range_of(config)
    if pool is None:
        return []
    config.tags = _tags_of(config, asker)
    boot = next(config.applying("dhcp-boot"), ["", "", ""])
    ours = _own_address(config)
    if pool[1] == "proxy":
        return _proxy_answers(config, asker, boot, ours)
    return [_offer(config, asker, boot, ours, pool)]


def interfaces_of(text: str) -> dict[str, IPv4Network | None]:
    """Which interfaces a configuration serves, each with its network as far as that is known."""
    lines = [_parsed(line) for line in text.splitlines() if "=" in line]
    names = [words[0] for directive, words in lines if directive == "interface"]
    return {name: _network_of(_range_of(_Config(lines, name)) or []) for name in names}


def _parsed(line: str) -> tuple[str, list[str]]:
    directive, _, rest = line.partition("=")
    return directive, list(_words(rest))


def _words(text: str) -> Iterator[str]:
    """Values between commas; quotes hide commas, a backslash hides a quote."""
    word, quoted, signs = "", False, iter(text)
    for sign in signs:
        if sign == "\\" and quoted:
            word += next(signs, "")
        elif sign == '"':
            quoted = not quoted
        elif sign == "," and not quoted:
            yield word
            word = ""
        else:
            word += sign
    yield word


def _range_of(config: _Config) -> list[str] | None:
    """The range that stands below an interface's line."""
    here = False
    for directive, words in config.lines:
        if directive == "interface":
            here = words[0] == config.interface
        elif directive == "dhcp-range" and here:
            return words
    return None


def _network_of(pool: Sequence[str]) -> IPv4Network | None:
    masks = [word for word in pool[2:] if word.startswith("255.")]
    return IPv4Network((pool[0], masks[0]), strict=False) if masks else None


def _own_address(config: _Config) -> IPv4Address:
    """It stands on each line that names a file for this interface."""
    tag = f"tag:{config.interface}"
    return IPv4Address(next(words[-1] for words in config.of("dhcp-boot") if tag in words))


def _tags_of(config: _Config, asker: Asker) -> set[str]:
    """Who dnsmasq takes the machine for."""
    config.tags = {config.interface}
    for name in ("dhcp-match", "dhcp-userclass", "dhcp-vendorclass", "dhcp-mac"):
        for words in config.of(name):
            if _matches(name, words[1:], asker):
                config.tags.add(words[0].removeprefix("set:"))
    for first, *rest in config.of("tag-if"):
        if all(config.holds(word.removeprefix("tag:")) for word in rest):
            config.tags.add(first.removeprefix("set:"))
    return config.tags


def _matches(name: str, words: list[str], asker: Asker) -> bool:
    match name:
        case "dhcp-userclass":
            return words[0] in asker.user_class
        case "dhcp-vendorclass":
            return words[0] in asker.vendor_class
        case "dhcp-mac":
            return fnmatchcase(asker.mac, words[0])
    if words[0] == "175":
        return asker.is_ipxe
    if _NUMBERS[words[0]] == 93:
        return int(words[1]) == asker.architecture
    return asker.machine_id.startswith(bytes.fromhex(words[1].replace(":", "")))


def _proxy_answers(config: _Config, asker: Asker, boot: list[str], ours: IPv4Address) -> list[DhcpAnswer]:
    """Beside another server, which hands out the address; UEFI is told its file on port 4011 alone."""
    vendor = _vendor_of(config, asker)
    if vendor is None:
        return []
    services = _services(config, asker)
    later = asker.architecture >= _FIRST_UEFI
    alone = later and len(services) == 1
    file, next_server = ("", str(ours)) if alone else (boot[0], boot[2])
    menu = [] if later else [Option(43, _pxe_options(services, ours))]
    common = [Option(54, ours.packed), Option(60, vendor.encode()), *_machine_id(asker)]
    offer = DhcpAnswer("offer", "", next_server, file, _sorted([Option(53, b"\2"), *common, *menu]))
    if not alone:
        return [offer]
    told = DhcpAnswer("boot server", "", str(ours), services[0][2], _sorted([Option(53, b"\5"), *common]))
    return [offer, told]


def _offer(config: _Config, asker: Asker, boot: list[str], ours: IPv4Address, pool: list[str]) -> DhcpAnswer:
    """With an address, as the only server."""
    seconds = LEASE_SECONDS[pool[-1]]
    options = [Option(53, b"\2"), Option(54, ours.packed)]
    times = ((51, seconds), (58, seconds // 2), (59, seconds * 7 // 8))
    options += [Option(number, value.to_bytes(4)) for number, value in times]
    network = _network_of(pool)
    if network is not None:
        options += [Option(1, network.netmask.packed), Option(28, network.broadcast_address.packed)]
    options += [Option(3, ours.packed)] if 3 in asker.wants else []
    vendor = _vendor_of(config, asker)
    if vendor is not None:
        services = _services(config, asker)
        options += [
            Option(60, vendor.encode()),
            *_machine_id(asker),
            Option(43, _pxe_options(services, ours)),
        ]
    options += _configured(config, asker)
    return DhcpAnswer("offer", f"one of {pool[0]} to {pool[1]}", boot[2], boot[0], _sorted(options))


def _vendor_of(config: _Config, asker: Asker) -> str | None:
    vendors = [word for words in config.of("dhcp-pxe-vendor") for word in words]
    return next((vendor for vendor in vendors if asker.vendor_class.startswith(vendor)), None)


def _services(config: _Config, asker: Asker) -> list[list[str]]:
    """Lines of the PXE menu that are for this machine: architecture, text, file."""
    return [
        words for words in config.applying("pxe-service") if _ARCHITECTURES[words[0]] == asker.architecture
    ]


def _pxe_options(services: list[list[str]], ours: IPv4Address) -> bytes:
    """Option 43: a menu of boot services with who serves each, or only to load the named file."""
    menu = servers = b""
    for number, words in enumerate(services):
        kind = (0x8000 + number if len(words) > 2 else 0).to_bytes(2)
        menu += kind + bytes([len(words[1])]) + words[1].encode()
        servers += kind + b"\1" + ours.packed if len(words) > 2 else b""
    options = bytes([6, 1, _MENU_ALONE if services else _USE_THE_FILE, 10, 4]) + b"\0PXE"
    options += bytes([8, len(servers)]) + servers if servers else b""
    options += bytes([9, len(menu)]) + menu if menu else b""
    return options + b"\xff"


def _machine_id(asker: Asker) -> list[Option]:
    return [Option(97, asker.machine_id)] if asker.machine_id else []


def _configured(config: _Config, asker: Asker) -> Iterator[Option]:
    """What our own lines add."""
    for words in config.applying("dhcp-option"):
        if words[0].startswith("encap:") and 175 in asker.wants:
            yield Option(175, bytes([int(words[1]), 1, int(words[2].removesuffix("b")), 255]))
        elif words[0] in _NUMBERS and _NUMBERS[words[0]] in asker.wants:
            yield Option(_NUMBERS[words[0]], words[1].encode() + b"\0")


def _sorted(options: Iterable[Option]) -> tuple[Option, ...]:
    return tuple(sorted(options, key=lambda option: option.number))
