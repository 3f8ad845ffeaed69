"""The diagnosis of a finished run: what is lost to which errors, as tables and in one sentence."""
