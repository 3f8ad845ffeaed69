"""Models that end the process, copy it, keep it from ending, or close its output."""

from collections.abc import Iterator

from campaign.misbehaving_models.attack import Attack, in_hook

_HOOKS = ("import", "constructor", "encode", "match", "prepare", "check_plan")
_EXITS = {
    "sys.exit(0)": "sys.exit(0)",
    "sys.exit()": "sys.exit()",
    "sys.exit(3)": "sys.exit(3)",
    "sys.exit of a text": "sys.exit('the end')",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "GeneratorExit": "raise GeneratorExit",
    "another BaseException": "raise BaseException('the end')",
    "os._exit(0)": "os._exit(0)",
    "os._exit(7)": "os._exit(7)",
}
_SIGNALS = ("SIGKILL", "SIGTERM", "SIGSEGV", "SIGABRT", "SIGALRM", "SIGHUP", "SIGINT", "SIGXCPU")


def _twin(hook: str) -> str:
    return "pairs" if hook == "match" else "encoder"


def _exits() -> Iterator[Attack]:
    for hook in _HOOKS:
        for name, action in _EXITS.items():
            code = in_hook(hook, action, _twin(hook))
            yield Attack(f"exit: {name} in {hook}", code, _twin(hook), must_fail=True)


def _signals() -> Iterator[Attack]:
    for hook in ("import", "encode", "match"):
        for name in _SIGNALS:
            action = f"os.kill(os.getpid(), signal.{name}); time.sleep(5)"
            code = in_hook(hook, action, _twin(hook))
            yield Attack(f"signal: {name} in {hook}", code, _twin(hook), must_fail=True)


def _forks() -> Iterator[Attack]:
    returns_twice = "os.fork()"
    exits = "if os.fork() == 0:\n    sys.exit(0)"
    raises = "if os.fork() == 0:\n    raise ValueError('in the copy')"
    stays = "if os.fork() == 0:\n    time.sleep(60)\n    os._exit(0)"
    for hook in ("import", "constructor", "encode", "match"):
        for name, action in (("twice", returns_twice), ("copy exits", exits)):
            code = in_hook(hook, action, _twin(hook))
            yield Attack(f"fork: {name} in {hook}", code, _twin(hook))
    yield Attack("fork: copy raises in encode", in_hook("encode", raises))
    yield Attack("fork: copy stays after encode", in_hook("encode", stays), must_score=True)


def _at_exit() -> Iterator[Attack]:
    for hook in ("import", "encode"):
        for name, action in {
            "os._exit(0) hides an error": "atexit.register(os._exit, 0)\nraise ValueError('wrong')",
            "sys.exit(0) hides an error": "atexit.register(sys.exit, 0)\nraise ValueError('wrong')",
        }.items():
            yield Attack(f"atexit: {name} in {hook}", in_hook(hook, action), must_fail=True)
    for name, action in {
        "never ends": "atexit.register(time.sleep, 1000)",
        "is killed": "atexit.register(os.kill, os.getpid(), signal.SIGKILL)",
        "os._exit(0)": "atexit.register(os._exit, 0)",
        "os._exit(5)": "atexit.register(os._exit, 5)",
    }.items():
        yield Attack(f"atexit: {name}", in_hook("import", action), must_score=True)


def _threads() -> Iterator[Attack]:
    for hook in ("import", "encode", "match"):
        for name, action in {
            "never ends": "threading.Thread(target=time.sleep, args=(1000,)).start()",
            "raises": "threading.Thread(target=lambda: 1 / 0, daemon=True).start()",
            "exits": "threading.Thread(target=sys.exit).start()",
        }.items():
            code = in_hook(hook, "threading.excepthook = lambda _: None\n" + action, _twin(hook))
            yield Attack(f"thread: {name} in {hook}", code, _twin(hook), must_score=True)
    ends = "threading.Thread(target=os._exit, args=(0,)).start(); time.sleep(5)"
    yield Attack("thread: os._exit(0) in encode", in_hook("encode", ends), must_fail=True)


def _streams() -> Iterator[Attack]:
    for hook in ("import", "encode"):
        for name, action in {
            "sys.stdout.close()": "sys.stdout.close()",
            "sys.stderr.close()": "sys.stderr.close()",
            "os.close(1)": "os.close(1)",
            "os.close(2)": "os.close(2)",
            "all closed": "os.closerange(0, 3)",
            "sys.stdout = None": "sys.stdout = None",
            "sys.stderr = None": "sys.stderr = None",
            "stdout is a text": "import io; sys.stdout = io.StringIO()",
            "stdout is /dev/null": "os.dup2(os.open('/dev/null', os.O_WRONLY), 1)",
            "stdout is detached": "sys.stdout.detach()",
        }.items():
            yield Attack(f"streams: {name} in {hook}", in_hook(hook, action), silent=True)


FAMILIES = (
    ("exit", _exits()),
    ("signal", _signals()),
    ("fork", _forks()),
    ("atexit", _at_exit()),
    ("thread", _threads()),
    ("streams", _streams()),
)
