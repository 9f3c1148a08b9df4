"""Runs a command and measures it. Linux only."""
import os
import signal
import subprocess
import tempfile
import time

LEAST_POLL, MOST_POLL = 0.002, 0.02
TAIL_BYTES = 2000


def memory(pid):
    """Peak RSS and present anonymous memory in bytes. The kernel's account at exit will not do for the peak: it
    counts what the parent had when it forked."""
    found = {"VmHWM": 0, "RssAnon": 0}
    try:
        with open("/proc/%d/status" % pid, encoding="utf-8") as f:
            for line in f:
                key, _, value = line.partition(":")
                if key in found:
                    found[key] = int(value.split()[0]) * 1024
    except OSError:
        pass
    return tuple(found.values())


def measure(command, timeout, folder, environment=None):
    """What one run in `folder` took: status, CPU seconds (user + system, waited-for children too), wall seconds,
    peak RSS and peak anonymous memory in bytes, and what it printed (the end of both streams)."""
    with tempfile.TemporaryFile() as out:
        begin, peaks, pid, expired = time.monotonic(), (0, 0), 0, False
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=folder,
                                 env=dict(os.environ, **(environment or {})), start_new_session=True)
        while not pid:
            peaks = tuple(map(max, peaks, memory(child.pid)))
            if not expired and time.monotonic() - begin > timeout:
                expired = True
                os.killpg(child.pid, signal.SIGKILL)
            time.sleep(min(MOST_POLL, max(LEAST_POLL, (time.monotonic() - begin) / 100)))
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(max(0, out.seek(0, os.SEEK_END) - TAIL_BYTES))
        tail = out.read().decode("utf-8", "replace")
    outcome = "timeout" if expired else "ok" if child.returncode == 0 else "exit %d" % child.returncode
    return {"status": outcome, "cpu": usage.ru_utime + usage.ru_stime, "wall": time.monotonic() - begin,
            "rss": peaks[0], "anonymous": peaks[1], "tail": tail}
