from command_line import kapbench, narrow, score, scored, scored_once

__all__ = ["kapbench", "narrow", "score", "scored", "scored_once"]
