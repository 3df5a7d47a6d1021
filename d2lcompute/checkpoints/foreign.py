"""Foreign files: what a file is instead of a checkpoint, from its first bytes, and what to do about it."""

from .._translation import N_, tr

__all__ = ["LOOK_BYTES", "describe"]

LOOK_BYTES = 256  # describe needs no more of a file

_PICKLE = (
    N_("a pickle"),
    N_("save the tensors anew with save_checkpoint where the file was made, since loading a pickle can run any code"),
)
_PAGE = N_("the download brought a page in place of the file; open it to see why, and take the link to the file itself")

# The first bytes of a file → what it is, and what to do. The first line that fits counts.
_STARTS = {
    b"version https://git-lfs": (
        N_("a Git LFS pointer, which stands for the file"),
        N_("run git lfs pull in its repository"),
    ),
    b"<!doctype html": (N_("a web page"), _PAGE),
    b"<html": (N_("a web page"), _PAGE),
    b"<?xml": (N_("an XML page, such as the error of a storage server"), _PAGE),
    b"pk\3\4": (
        N_("a zip archive, as save_checkpoint and torch.save write it"),
        N_("give it a name that ends in .pt"),
    ),
    b"\x80\2\x8a\nl\xfc\x9cf\xf9 j\xa8p\x19.": (
        N_("a file in torch's format before 1.6"),
        N_(
            "read it with torch.load(path, weights_only=True), give what it holds to model.load_state_dict, and save "
            "that with save_checkpoint"
        ),
    ),
    b"\x80\2": _PICKLE,
    b"\x80\3": _PICKLE,
    b"\x80\4": _PICKLE,
    b"\x80\5": _PICKLE,
    b"\x89hdf\r\n\x1a\n": (N_("an HDF5 file, as Keras writes it"), N_("convert it where it was made")),
    b"\x1f\x8b": (N_("compressed with gzip"), N_("unpack it first")),
}


def describe(start: bytes) -> str | None:
    """Return what a file is and what to do, from its first :data:`LOOK_BYTES` bytes; None where these do not tell."""
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= 100_000_000:  # the longest header allowed
        return tr("a file in the safetensors format; give it a name that ends in .safetensors")
    text = start.lstrip().lower()
    for known, (what, remedy) in _STARTS.items():
        if text.startswith(known) and len(start) > 8:
            return tr("{what}; {remedy}", what=tr(what), remedy=tr(remedy))
    return None
