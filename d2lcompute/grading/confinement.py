"""Confinement: what an answer's process cannot reach or use up, by the means of Linux that containers are made of.

It sees a file system of its own, in which Python, the libraries and this package are there to be read, ``/tmp`` is
empty, and nothing else of the machine is there; it has no network, sees no other process, and has none of root's
rights. bubblewrap does the same for a program that it starts; here a process that has imported torch already is shut
in after it was forked, which takes milliseconds instead of seconds. Where the system does not permit it, limits on
time, memory, processes and files are what is left, and :func:`lacking` says so.
"""

import ctypes
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

if sys.platform != "win32":
    import resource

from .._translation import tr

__all__ = ["LIMITS", "Limits", "confined_here", "die_with_parent", "lacking", "limit", "shut_in", "visible"]


@dataclass(frozen=True)
class Limits:
    """What an answer may use.

    Attributes:
        seconds: of wall-clock time, from the fork to the verdict; its code may take a third, its check another.
        cpu_seconds: of computing.
        memory_bytes: beyond what Python and torch have taken.
        processes: how many, threads included.
        file_bytes: the size of a file, and of all in ``/tmp`` together.
    """

    seconds: float = 30.0
    cpu_seconds: int = 20
    memory_bytes: int = 1_000_000_000
    processes: int = 32
    file_bytes: int = 64_000_000


LIMITS = Limits()

# From linux/sched.h, sys/mount.h, linux/mount.h, sys/prctl.h and linux/capability.h: Python has no names for them.
_NEW_MOUNTS, _NEW_IPC, _NEW_USER, _NEW_PIDS, _NEW_NET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_BIND, _MOVE, _RECURSIVE, _PRIVATE, _NO_SUID, _NO_DEVICES = 4096, 8192, 16384, 1 << 18, 2, 4
_MOUNT_SETATTR, _AT_RECURSIVE, _ATTR_READ_ONLY = 442, 0x8000, 1
_SET_PARENT_DEATH_SIGNAL, _DROP_BOUNDING, _NO_NEW_PRIVILEGES, _KILL = 1, 24, 38, 9
_CAPABILITIES_VERSION_3 = 0x20080522

_ROOT = Path("/tmp")  # noqa: S108  (only in the process's own view: a file system in memory is mounted there)
_SYSTEM = ("/bin", "/lib", "/lib32", "/lib64", "/sbin", "/usr", "/etc/ld.so.cache", "/etc/localtime")
_WRITABLE = ("tmp", "dev/shm")
_DEVICES = ("/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")


def shut_in(limits: Limits) -> None:
    """Shut the current process in, and go on in a child of it, whose death ends all that it has started.

    The process must have been forked for the answer alone. What it has open stays open.

    Raises:
        OSError: if the system refuses; the process is then fit for nothing but its end.
    """
    libc = _Libc()
    user, group = os.getuid(), os.getgid()
    libc("unshare", _NEW_USER | _NEW_MOUNTS | _NEW_PIDS | _NEW_NET | _NEW_IPC)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    os.setsid()  # a signal to its group is one to itself
    die_with_parent()
    _enter_own_files(libc, limits)
    with suppress(OSError):  # root's processes are not counted: Linux 6.14 and newer can limit the numbers they get
        _write("/proc/sys/kernel/pid_max", str(max(limits.processes, 301)))
    libc("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _drop_rights(libc)
    limit(limits)


def die_with_parent() -> None:
    """Let the kernel end this process when its parent ends, where it can."""
    if _LINUX:
        _Libc()("prctl", _SET_PARENT_DEATH_SIGNAL, _KILL, 0, 0, 0)


def limit(limits: Limits) -> None:
    """Limit what the current process and its children may use."""
    taken = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE") if _LINUX else 0
    for what, most in (
        (resource.RLIMIT_AS, taken + limits.memory_bytes if taken else None),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_CORE, 0),
    ):
        if most is not None:
            with suppress(OSError, ValueError):  # a lower limit is there already
                resource.setrlimit(what, (most, most))


def confined_here() -> bool:
    """Tell whether answers can be shut in here.

    Raises:
        ValueError: if they cannot, and this is root: an answer could end every process and delete every file.
    """
    missing = lacking()
    if missing and hasattr(os, "geteuid") and os.geteuid() == 0:
        raise ValueError(
            tr("not as root, where answers cannot be shut in: run it as another user ({why})", why=missing[0])
        )
    return not missing


def lacking() -> list[str]:
    """Return what of an answer this system does not confine, in words for the teacher; nothing if all is confined."""
    if not hasattr(os, "fork"):
        return [tr("this system cannot fork: each answer runs in a fresh process, slowly, with a time limit alone")]
    child = os.fork()
    if not child:
        try:
            shut_in(LIMITS)
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if status == 0:
        return []
    why = tr("it permits no user namespaces") if _LINUX else tr("that takes Linux")
    return [tr("answers can read and write what you can, and use the network: {why}; see docs/teaching.md", why=why)]


_LINUX = sys.platform == "linux"


class _Libc:
    """The C library's functions, which raise OSError where they fail."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)

    def __call__(self, function: str, *arguments: object) -> int:
        result = int(getattr(self._library, function)(*arguments))
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{function}: {os.strerror(number)}")
        return result


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def _enter_own_files(libc: _Libc, limits: Limits) -> None:
    """Make a file system of what may be read and an empty /tmp, and let it be all that this process sees."""
    libc("mount", b"none", b"/", None, _RECURSIVE | _PRIVATE, None)
    sources = {path: os.open(path, os.O_PATH) for path in visible()}  # /tmp is about to be covered, and may hold some
    _mount_memory(libc, _ROOT, limits.file_bytes)
    for name in _WRITABLE:
        (_ROOT / name).mkdir(parents=True)
        _mount_memory(libc, _ROOT / name, limits.file_bytes)
    for path, source in sources.items():
        target = _ROOT / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir(exist_ok=True) if stat.S_ISDIR(os.fstat(source).st_mode) else target.touch()
        libc("mount", f"/proc/self/fd/{source}".encode(), bytes(target), None, _BIND | _RECURSIVE, None)
        os.close(source)
    for name in ("proc", "root", "home"):
        (_ROOT / name).mkdir(parents=True, exist_ok=True)
    _set_attributes(libc, _ROOT, _MountAttributes(set=_ATTR_READ_ONLY), _AT_RECURSIVE)
    for name in _WRITABLE:
        _set_attributes(libc, _ROOT / name, _MountAttributes(clear=_ATTR_READ_ONLY), 0)
    libc("mount", b"proc", bytes(_ROOT / "proc"), b"proc", _NO_SUID | _NO_DEVICES, None)
    os.chdir(_ROOT)
    libc("mount", b".", b"/", None, _MOVE, None)
    os.chroot(".")
    os.chdir("/tmp")  # noqa: S108  (its own)
    os.environ |= {"HOME": "/tmp", "TMPDIR": "/tmp"}  # noqa: S108


def visible() -> list[Path]:
    """Return what an answer may read: the system's libraries, Python's, this package; no folder inside another."""
    package = Path(__file__).resolve().parents[1]
    python = [Path(path) for path in (sys.prefix, sys.base_prefix, *filter(os.path.isabs, sys.path))]
    there = [path for path in (*map(Path, _SYSTEM + _DEVICES), *_of_python(python, package), package) if path.exists()]
    return sorted({path for path in there if not any(other in path.parents for other in there)})


def _of_python(paths: list[Path], package: Path) -> Iterator[Path]:
    """Yield the folders of Python: not one that merely holds the package's source, beside who knows what."""
    for path in paths:
        if path.is_dir() and path != package.parent and path != Path.cwd() and path != Path("/"):
            yield path


def _mount_memory(libc: _Libc, target: Path, size: int) -> None:
    """Mount an empty file system in memory."""
    libc("mount", b"tmpfs", bytes(target), b"tmpfs", _NO_SUID | _NO_DEVICES, f"size={size},mode=755".encode())


def _set_attributes(libc: _Libc, target: Path, attributes: _MountAttributes, flags: int) -> None:
    """Set or clear what may be done with a mount, and with those below it if the flags say so."""
    size = ctypes.sizeof(attributes)
    libc("syscall", _MOUNT_SETATTR, -100, bytes(target), flags, ctypes.byref(attributes), size)


def _drop_rights(libc: _Libc) -> None:
    """Give up every capability, for good: with them, what was mounted could be mounted anew."""
    for capability in range(64):
        with suppress(OSError):  # the kernel knows fewer
            libc("prctl", _DROP_BOUNDING, capability, 0, 0, 0)
    head = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION_3, 0)
    libc("capset", ctypes.byref(head), ctypes.byref((ctypes.c_uint32 * 6)()))


def _write(path: str, text: str) -> None:
    """Write a file of the kernel's."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
