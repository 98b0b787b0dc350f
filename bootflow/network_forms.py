"""The form of the boot network's page. It checks spelling and what can be; the service decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from bootflow.dnsmasq import DhcpMode
from bootflow.network import MODES, Served, completed, pool_of, problems_of, refused_by_environment
from bootflow.ports import Interface
from netboot_site.network_file import KeptChoice

_FIELD_OF = {"dhcp_range": "first_address"}


class NetworkForm(forms.Form):
    """Interface, mode, and the pool of a DHCP server."""

    interface = forms.ChoiceField(
        widget=forms.RadioSelect, error_messages={"required": "Choose the interface that machines use."}
    )  # fmt: skip
    dhcp_mode = forms.ChoiceField(
        label="DHCP", widget=forms.RadioSelect,
        choices=[(mode.value, label) for mode, label in MODES.items()],
        error_messages={"required": "Choose how machines get their addresses."},
    )  # fmt: skip
    first_address = forms.CharField(label="First address of the pool", required=False, max_length=40)
    last_address = forms.CharField(label="Last address of the pool", required=False, max_length=40)
    interrupt = forms.BooleanField(label="Change it all the same", required=False)

    def __init__(self, *words: Any, interfaces: Sequence[Interface], **more: Any) -> None:
        super().__init__(*words, **more)
        self.interfaces = interfaces
        names = [interface.name for interface in interfaces]
        self.fields["interface"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]

    @classmethod
    def of(cls, data: Any, *, now: Served, interfaces: Sequence[Interface]) -> NetworkForm:
        """Filled with what is sent, else with what counts now."""
        pool = pool_of(now.dhcp_range)
        initial = {
            "interface": now.awaits or now.interface, "dhcp_mode": now.dhcp_mode,
            "first_address": pool[0] if pool else "", "last_address": pool[1] if pool else "",
        }  # fmt: skip
        return cls(data, interfaces=interfaces, initial=initial)

    @property
    def wanted(self) -> KeptChoice:
        """What the person wants."""
        told = self.cleaned_data
        ends = [told.get("first_address", ""), told.get("last_address", "")]
        pool = ",".join(ends) if told.get("dhcp_mode") == DhcpMode.SERVER and any(ends) else ""
        return completed(KeptChoice(told.get("interface", ""), told.get("dhcp_mode", ""), pool))

    def clean(self) -> dict[str, Any]:
        """Beside each field what is wrong with it."""
        if not self.errors:
            wanted = self.wanted
            problems = refused_by_environment(wanted) or problems_of(wanted, self.interfaces)
            for field, sentence in problems.items():
                self.add_error(_FIELD_OF.get(field, field), sentence)
        return self.cleaned_data
