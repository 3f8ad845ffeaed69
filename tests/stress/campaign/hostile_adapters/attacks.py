"""The attacks, by family. MARK, OUTSIDE and PORT are replaced; every attack is small and ends."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attack:
    """`seconds`: after which the trial gives up."""

    name: str
    code: str
    seconds: float = 60.0


HONEST = """
import numpy as np
from kapbench.types import FeatureMap, Grid
class A:
    name = "a"
    revision = "1"
    conditions_on = ()
    similarity = "dot"
    supervision = "none"
    def encode(self, pictures):
        maps = []
        for picture in pictures:
            width, height = picture.size
            small = np.asarray(picture.pixels, np.float32)[::8, ::8].transpose(2, 0, 1) + 1
            maps.append(FeatureMap(small, Grid(*small.shape[1:], (0, 0, width, height))))
        return maps
"""
BROKEN = """
import numpy as np
from kapbench.types import FeatureMap, Grid
class A:
    name, revision, conditions_on, similarity, supervision = "a", "1", (), "dot", "none"
    def encode(self, pictures):
        return [FeatureMap(np.random.rand(3, 4, 4).astype("f4"), Grid(4, 4, (0, 0, *p.size))) for p in pictures]
"""
_FIND_TASK = """
import gc, json, os, sys
def forge(task, verdict):
    text = json.dumps({"token": task["token"], "findings": []})
    if isinstance(task.get("verdict"), str):
        open(task["verdict"], "w").write(text)
    for descriptor in {verdict} if isinstance(verdict, int) else range(3, 20):
        try:
            os.write(descriptor, text.encode())
        except OSError:
            pass
    os._exit(0)
"""
_DAEMON = """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execlp("sleep", "sleep", "MARK")
    os._exit(0)
import time; time.sleep(0.5)
"""
_SENDS = 'import socket; socket.create_connection(("127.0.0.1", PORT), 3).send(b"x")\nA = 3'
_FORGED = [
    Attack(
        "token from the stack",
        _FIND_TASK
        + """
frame = sys._getframe()
while frame is not None:
    if isinstance(frame.f_locals.get("task"), dict) and "token" in frame.f_locals["task"]:
        forge(frame.f_locals["task"], frame.f_locals.get("verdict"))
    frame = frame.f_back
""",
    ),
    Attack(
        "token from the garbage collector",
        _FIND_TASK
        + """
for thing in gc.get_objects():
    if isinstance(thing, dict) and "token" in thing and "spec" in thing:
        forge(thing, None)
""",
    ),
    Attack(
        "contract replaced",
        "import kapbench.models.contract as c\n"
        "for n in ('_encodes', '_matches', '_declares'): setattr(c, n, lambda m: iter(()))\n"
        + BROKEN,
    ),
    Attack(
        "arithmetic replaced",
        "import numpy\nnumpy.allclose = numpy.array_equal = lambda *a, **k: True\n"
        + BROKEN
        + "_n = [0]\n",
    ),
    Attack(
        "test replaced",
        "import sys\nm = sys.modules['__main__']\nm._test = lambda *a: []\n"
        "import kapbench.models.contract as c\nc.broken.__code__ = (lambda model: []).__code__\n"
        + BROKEN,
    ),
    Attack(
        "JSON replaced",
        "import json\nold = json.dumps\n"
        "json.dumps = lambda o, **k: old({**o, 'findings': []} if 'findings' in o else o, **k)\n"
        + BROKEN,
    ),
    Attack(
        "success printed",
        'import os\nfor d in range(1, 10):\n try: os.write(d, b\'{"token": "", "findings": []}\')\n'
        " except OSError: pass\nprint('ok')\nos._exit(0)",
    ),
    Attack(
        "files of the test written",
        "import glob, json, os, tempfile\nfor f in glob.glob(tempfile.gettempdir() + '/kapbench-*'):\n"
        " try: open(f + '/verdict', 'w').write(json.dumps({'token': '0' * 32, 'findings': []}))\n"
        " except OSError: pass\nos._exit(0)",
    ),
]
_EXITS = [
    Attack(name, code)
    for name, code in {
        "sys.exit(0)": "import sys; sys.exit(0)",
        "os._exit(0)": "import os; os._exit(0)",
        "SystemExit in its name": "class A:\n    @property\n    def name(self): raise SystemExit(0)",
        "KeyboardInterrupt": "raise KeyboardInterrupt",
        "a signal to itself": "import os; os.kill(os.getpid(), 9)",
        "segmentation fault": "import ctypes; ctypes.string_at(0)",
        "abort": "import os; os.abort()",
        "exec of true": "import os; os.execlp('true', 'true')",
        "exit in encode": BROKEN.replace("return [", "import os; os._exit(0); return ["),
        "recursion": "def f(): f()\nf()",
    }.items()
]
_FLOODS = [
    Attack("print", "while True: print('x' * 100_000)", 20),
    Attack("standard error", "import os\nwhile True: os.write(2, b'x' * 65536)", 20),
    Attack(
        "a line of 100 MB",
        "import sys\nfor _ in range(1000): sys.stdout.write('x' * 100_000)\nA = 3",
        20,
    ),
    Attack("an error of 50 MB", "raise ValueError('x' * 50_000_000)"),
    Attack("a name of 50 MB", BROKEN + "    name = 'x' * 50_000_000\n"),
    Attack(
        "a file of 1 GB", "f = open('f', 'wb')\nfor _ in range(1000): f.write(bytes(10**6))\nA = 3"
    ),
    Attack("5,000 files", "for i in range(5000): open(f'f{i}', 'w').write('x')\nA = 3"),
]
_MEMORY = [
    Attack("2.5 GB", "x = b'1' * 2_500_000_000\nimport time; time.sleep(1)\nA = 3"),
    Attack("2.5 GB bit by bit", "x = [b'1' * 50_000_000 for _ in range(50)]\nimport time; time.sleep(1)"),
    Attack("an array of 8 TB", "import numpy\nnumpy.ones(10**12)"),
    Attack(
        "a map without end",
        BROKEN.replace("np.random.rand(3, 4, 4)", "np.broadcast_to(1.0, (10**7, 4, 4))"),
    ),
    Attack("80 threads", "import threading, time\nfor _ in range(80): threading.Thread(target=time.sleep, args=(4,)).start()\ntime.sleep(4)"),
    Attack("endless loop", "while True: pass", 15),
    Attack("endless sleep", "import time; time.sleep(1000)", 15),
    Attack(
        "loop that takes no signal",
        "import signal\nfor s in (2, 15): signal.signal(s, signal.SIG_IGN)\nwhile True: pass",
        15,
    ),
]  # fmt: skip
_PROCESSES = [
    Attack("a daemon", _DAEMON + "A = 3"),
    Attack("a daemon, then exit", _DAEMON + "os._exit(0)"),
    Attack("a daemon that holds the pipes", _DAEMON.replace("time.sleep(0.5)", "time.sleep(60)"), 15),
    Attack("a child", "import subprocess; subprocess.Popen(['sleep', 'MARK'])\nA = 3"),
    Attack("a nohup shell", "import os; os.system('nohup setsid sleep MARK >/dev/null 2>&1 &')\nA = 3"),
    Attack("80 children", "import subprocess\nfor _ in range(80): subprocess.Popen(['sleep', 'MARK'])\nimport time; time.sleep(5)"),
    Attack("kills its parent", "import os; os.kill(os.getppid(), 9)\nA = 3"),
    Attack("stops its parent", "import os, signal; os.kill(os.getppid(), signal.SIGSTOP)\nA = 3"),
    Attack("ends its parent", "import os; os.kill(os.getppid(), 15)\nA = 3"),
]  # fmt: skip
_READS = [
    Attack("environment", "import os; print(dict(os.environ)); A = 3"),
    Attack("environment of its parent", "import os; print(open(f'/proc/{os.getppid()}/environ').read()); A = 3"),
    Attack(
        "environments of all",
        "import glob\nfor p in glob.glob('/proc/*/environ'):\n try: print(open(p).read())\n except OSError: pass\nA = 3",
    ),
]  # fmt: skip
_WRITES = [
    Attack("a file outside", "open('OUTSIDE', 'w').write('x'); A = 3"),
    Attack("its own file", "open(__file__, 'a').write('# more'); A = 3"),
    Attack("by a shell", "import os; os.system('echo x > OUTSIDE'); A = 3"),
    Attack(
        "by a link", "import os; os.symlink('OUTSIDE', 'link'); open('link', 'w').write('x'); A = 3"
    ),
]
_NETWORK = [
    Attack("connects", _SENDS),
    Attack("by a child", f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {_SENDS!r}])\nA = 3"),
]  # fmt: skip
ATTACKS = {
    "forged": _FORGED,
    "exits": _EXITS,
    "floods": _FLOODS,
    "resources": _MEMORY,
    "processes": _PROCESSES,
    "reads": _READS,
    "writes": _WRITES,
    "network": _NETWORK,
}
