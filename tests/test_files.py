"""Atomic file writes."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from resdsl.diagnostics import catalogue
from resdsl.files import OutputError, is_stream, pending_file, whole_file


def write(path: Path, content: bytes = b"new") -> None:
    with whole_file(path) as stream:
        stream.write(content)


def files(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def test_a_file_is_written(tmp_path: Path) -> None:
    write(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert files(tmp_path) == ["file"]


@pytest.mark.parametrize("exception", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_what_was_there_and_nothing_else(tmp_path: Path, exception: type[BaseException]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(exception), whole_file(path) as stream:
        stream.write(b"half" * 100_000)
        raise exception
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == ["file"]


def test_the_target_is_old_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with whole_file(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_sigterm_leaves_no_temporary_file(tmp_path: Path) -> None:
    program = f"""
        import time
        from pathlib import Path
        from resdsl.files import whole_file
        with whole_file(Path({str(tmp_path / "file")!r})) as stream:
            stream.write(b"half")
            print("ready", flush=True)
            time.sleep(60)
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == b"ready\n"
        assert len(files(tmp_path)) == 1
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == 128 + signal.SIGTERM
    assert files(tmp_path) == []


def test_the_callers_handler_of_sigterm_is_back_afterwards(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    write(tmp_path / "file")
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_new_file_has_the_permissions_that_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "file")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o604)
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    real = tmp_path / "folder" / "real"
    real.write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to(real)
    write(link)
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert files(tmp_path / "folder") == ["real"]


def test_devices_are_written_to_and_not_replaced() -> None:
    write(Path("/dev/null"))
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/dev/null"])
def test_standard_output_is_a_stream_wherever_it_leads(path: str) -> None:
    assert is_stream(Path(path))


def test_dev_stdout_goes_to_the_file_that_the_shell_opened(tmp_path: Path) -> None:
    path = tmp_path / "out"
    program = "from pathlib import Path\nfrom resdsl.files import whole_file\n"
    program += "with whole_file(Path('/dev/stdout')) as stream:\n    stream.write(b'new')\n"
    with path.open("wb") as out:
        before = os.fstat(out.fileno()).st_ino
        subprocess.run([sys.executable, "-c", program], stdout=out, check=True)
    assert path.read_bytes() == b"new"
    assert path.stat().st_ino == before


def test_a_name_as_long_as_the_disk_allows(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    write(path)
    assert path.read_bytes() == b"new"


def refusal(path: Path) -> OutputError:
    with pytest.raises(OutputError) as caught:
        write(path)
    assert caught.value.diagnostic.helps
    return caught.value


def test_a_missing_folder_is_reported_with_the_command_that_creates_it(tmp_path: Path) -> None:
    diagnostic = refusal(tmp_path / "out" / "file").diagnostic
    assert diagnostic.code == catalogue.OUTPUT_FOLDER
    assert diagnostic.message == f"the folder `{tmp_path / 'out'}` does not exist"
    assert diagnostic.helps == (f"create it with `mkdir -p {tmp_path / 'out'}`",)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path).diagnostic.code == catalogue.NOT_A_FILE


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert refusal(tmp_path / "file" / "inner").diagnostic.code == catalogue.OUTPUT_FOLDER


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    assert refusal(tmp_path / ("x" * 300)).diagnostic.code == catalogue.UNWRITABLE
    assert files(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o444)
    assert refusal(path).diagnostic.code == catalogue.OUTPUT_DENIED
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has this device")
def test_a_full_disk_is_reported() -> None:
    diagnostic = refusal(Path("/dev/full")).diagnostic
    assert diagnostic.code == catalogue.DISK_FULL
    assert "the disk is full" in diagnostic.message


def test_a_disk_that_fills_up_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert refusal(path).diagnostic.code == catalogue.DISK_FULL
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == ["file"]


def test_an_error_in_reading_something_else_is_not_one_in_writing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "file"):
        (tmp_path / "missing").read_bytes()


def test_a_pending_file_can_choose_its_name_at_the_end(tmp_path: Path) -> None:
    with pending_file(tmp_path / "file") as pending:
        pending.stream.write(b"new")
        pending.commit(tmp_path / "file.1234")
    assert files(tmp_path) == ["file.1234"]


@pytest.mark.parametrize("system", ["with pwrite", "without"])
def test_sections_are_written_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    if system == "without":
        monkeypatch.delattr(os, "pwrite")
    with pending_file(tmp_path / "file") as pending:
        with pending.section(70_000) as late, pending.section(2) as early:
            late.write(b"end")
            early.write(b"a" * 69_998)
        with pending.section(0) as first:
            first.write(b"<")
        pending.commit(tmp_path / "file")
    # Nobody wrote the second byte.
    assert (tmp_path / "file").read_bytes() == b"<\0" + b"a" * 69_998 + b"end"


def test_sections_are_written_by_several_threads(tmp_path: Path) -> None:
    parts = [bytes([number]) * 10_007 for number in range(20)]

    def write_part(number: int) -> None:
        with pending.section(number * 10_007) as section:
            for start in range(0, 10_007, 1_000):
                section.write(parts[number][start : start + 1_000])

    with pending_file(tmp_path / "file") as pending:
        threads = [threading.Thread(target=write_part, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pending.commit(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"".join(parts)


def test_a_full_disk_is_reported_from_a_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with (
        pytest.raises(OutputError) as caught,
        pending_file(tmp_path / "file") as pending,
        pending.section(0) as section,
    ):
        section.write(b"a" * 100_000)
    assert caught.value.diagnostic.code == catalogue.DISK_FULL
    assert files(tmp_path) == []


def test_a_file_is_synced_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = threading.Event()
    fsync = os.fsync

    def seen(descriptor: int) -> None:
        fsync(descriptor)
        synced.set()

    monkeypatch.setattr(os, "fsync", seen)
    with pending_file(tmp_path / "file") as pending:
        with pending.syncing(), pending.section(0) as section:
            section.write(b"new")
            assert synced.wait(30)
        pending.commit(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_disk_failure_during_syncing_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = threading.Event()

    def failing(_: int) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OutputError) as caught, pending_file(tmp_path / "file") as pending:
        with pending.syncing():
            assert failed.wait(30)
        pending.commit(tmp_path / "file")
    assert caught.value.diagnostic.code == catalogue.UNWRITABLE
    assert files(tmp_path) == []


def test_an_interrupt_right_after_the_file_was_made_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    opened = os.open

    def interrupted(*arguments: object) -> int:
        os.close(opened(*arguments))  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "x"):
        raise AssertionError("never begun")
    assert not list(tmp_path.iterdir())


ABANDON = """
import os, signal, sys
from pathlib import Path
from resdsl.files import pending_file, temporary_folder
target = Path(sys.argv[1])
with pending_file(target) as pending, temporary_folder(target) as folder:
    pending.stream.write(b"half" * 100_000)
    (folder / "plain.onnx").write_bytes(b"half")
    print("ready", flush=True)
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file locks")
def test_a_later_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ABANDON, str(tmp_path / "killed.onnx"), "killed"]
    assert subprocess.run(command, stdout=subprocess.PIPE, check=False).returncode == -signal.SIGKILL
    assert len(files(tmp_path)) == 2
    (tmp_path / ".other.0123456789ab.tmp").write_bytes(b"of another program")
    write(tmp_path / "file")
    assert sorted(files(tmp_path)) == [".other.0123456789ab.tmp", "file"]


COMPILING = """
import os, signal, sys
import resdsl
import resdsl.compiler.models as models
compile = models.compile
def killed(*arguments, **options):
    compile(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)
models.compile = killed if sys.argv[1:] else compile
network = resdsl.loads("model m { input x: f32[N, 3, 8, 8]; relu; output y }")
with models.model_files([(network, models.Build())]) as (model,):
    assert model.file.stat().st_size > 100
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file locks")
def test_a_later_run_removes_the_model_that_a_killed_one_compiled(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", COMPILING, "killed"], env=environment, check=False)
    assert len(files(tmp_path)) == 1
    subprocess.run([sys.executable, "-c", COMPILING], env=environment, check=True)
    assert files(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_a_pipe_without_a_reader_is_an_error_and_with_one_it_gets_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        write(pipe, b"x" * 10_000)
        assert reader.stdout is not None
        assert reader.stdout.read() == b"x" * 10_000
    monkeypatch.setattr("resdsl.files._READER_SECONDS", 0.1)
    with pytest.raises(OutputError, match="no program reads it"):
        write(pipe)


@pytest.mark.skipif(sys.platform == "win32", reason="no file locks")
def test_what_another_run_is_writing_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ABANDON, str(tmp_path / "other.onnx"), "waiting"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        write(tmp_path / "file")
        assert len(files(tmp_path)) == 3
        child.communicate()
    assert files(tmp_path) == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="no file locks")
@pytest.mark.parametrize("make", ["link", "pipe", "folder link"])
def test_nothing_is_removed_through_a_planted_name(make: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"kept")
    folder = tmp_path / "folder"
    folder.mkdir()
    planted = folder / ".x.0123456789ab.resdsl.tmp"
    if make == "pipe":
        os.mkfifo(planted)
    else:
        planted.symlink_to(outside if make == "folder link" else outside / "kept")
    write(folder / "file")
    assert (outside / "kept").read_bytes() == b"kept"


CONCURRENT = """
import sys
from pathlib import Path
from resdsl.files import temporary_folder, write_file
target = Path(sys.argv[1])
for _ in range(100):
    write_file(target, b"new")
    with temporary_folder(target) as folder:
        (folder / "one").write_bytes(b"one")
        assert (folder / "one").read_bytes() == b"one"
"""


def test_runs_that_write_in_one_folder_at_once_keep_each_others_files(tmp_path: Path) -> None:
    children = [subprocess.Popen([sys.executable, "-c", CONCURRENT, str(tmp_path / f"{n}")]) for n in range(4)]
    assert [child.wait(timeout=120) for child in children] == [0] * 4
    assert sorted(files(tmp_path)) == ["0", "1", "2", "3"]
