"""The command line: one file a command, imported when that command runs."""

try:
    from kapbench.cli.main import main
except KeyboardInterrupt:  # Ctrl-C before a command could begin
    raise SystemExit(130) from None

__all__ = ["main"]
