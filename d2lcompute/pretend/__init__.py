"""Pretended devices: accelerators that are not there, with real numbers and a virtual clock."""

from .cards import A100, EPYC_7742, Card, Host
from .clock import Event
from .machine import Machine, pretend_gpus
from .transfers import Transfers, record_transfers

__all__ = ["A100", "EPYC_7742", "Card", "Event", "Host", "Machine", "Transfers", "pretend_gpus", "record_transfers"]
