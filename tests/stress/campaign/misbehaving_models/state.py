"""Models that change the process around them: what follows must not notice."""

from collections.abc import Iterator

from campaign.misbehaving_models.attack import Attack, in_hook

_HARMLESS = {
    "another current folder": "os.chdir('/')",
    "np.seterr": "np.seterr(all='raise')",
    "np.random.seed": "np.random.seed(0)",
    "random.seed": "import random; random.seed(0)",
    "torch.manual_seed": "import torch; torch.manual_seed(0)",
    "locale": "import locale; locale.setlocale(locale.LC_ALL, 'C')",
    "warnings are errors": "import warnings; warnings.simplefilter('error')",
    "default type float64": "import torch; torch.set_default_dtype(torch.float64)",
    "default type float16": "import torch; torch.set_default_dtype(torch.float16)",
    "default device meta": "import torch; torch.set_default_device('meta')",
    "no gradients": "import torch; torch.set_grad_enabled(False)",
    "autocast": "import torch; torch.autocast('cpu', torch.bfloat16).__enter__()",
    "inference mode": "import torch; torch.inference_mode().__enter__()",
    "medium precision": "import torch; torch.set_float32_matmul_precision('medium')",
    "flush of small numbers": "import torch; torch.set_flush_denormal(True)",
    "torch's threads": "import torch; torch.set_num_threads(2)",
    "deterministic": "import torch; torch.use_deterministic_algorithms(True)",
    "no garbage collection": "import gc; gc.disable()",
    "no environment": "os.environ.clear()",
    "no paths of modules": "sys.path.clear()",
    "no log": "import logging; logging.disable()",
    "an excepthook": "sys.excepthook = lambda *_: os._exit(0)",
    "signals ignored": "signal.signal(signal.SIGINT, signal.SIG_IGN)",
    "an alarm": "signal.signal(signal.SIGALRM, lambda *_: None); signal.alarm(1)",
    "a trace function": "sys.settrace(lambda *_: None)",
    "print options": "np.set_printoptions(precision=1)",
    "a large recursion limit": "sys.setrecursionlimit(10**6)",
    "tempdir": "import tempfile; tempfile.tempdir = '/nonexistent'",
}
_HARMFUL = {
    "recursion limit 90": "sys.setrecursionlimit(90)",
    "umask": "os.umask(0o777)",
    "the current folder removed": "os.makedirs('x', exist_ok=True); os.chdir('x'); os.rmdir('.' + "
    "'./x')",
    "no more open files": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6))",
    "no large files": "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))",
    "numpy.argmax": "np.argmax = lambda *a, **k: 0",
    "numpy.isfinite": "np.isfinite = lambda x, *a, **k: np.ones(np.shape(x), bool)",
    "numpy.concatenate": "np.concatenate = lambda *a, **k: 1 / 0",
    "modules removed": "sys.modules.pop('numpy'); sys.modules.pop('pandas', None)",
    "a low limit of seconds": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1)); "
    "exec('while True: pass')",
    "SIGTERM ignored, then an error": "signal.signal(signal.SIGTERM, signal.SIG_IGN); 1 / 0",
    "the cache removed": "import shutil; shutil.rmtree('cache', ignore_errors=True)",
    "the runs removed": "import shutil; shutil.rmtree('runs', ignore_errors=True)",
    "its own file removed": "import pathlib; pathlib.Path(__file__).unlink(missing_ok=True)",
}


def _state() -> Iterator[Attack]:
    for hook in ("import", "encode", "match"):
        twin = "pairs" if hook == "match" else "encoder"
        for name, action in _HARMLESS.items():
            code = in_hook(hook, action, twin)
            yield Attack(f"state: {name} in {hook}", code, twin, must_score=True)


def _damage() -> Iterator[Attack]:
    for hook in ("import", "encode", "match"):
        twin = "pairs" if hook == "match" else "encoder"
        for name, action in _HARMFUL.items():
            yield Attack(f"damage: {name} in {hook}", in_hook(hook, action, twin), twin)


FAMILIES = (("state", _state()), ("damage", _damage()))
