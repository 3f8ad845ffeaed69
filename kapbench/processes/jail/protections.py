"""What a jail may guard against, by the names that the launcher reports."""

EXCEEDED = 124  # the status of a command that was ended at a limit, as `timeout` has it

LIMITS = "limits"
OUTLIVING = "outliving"
SIGNALS = "signals"
NETWORK = "network"
FILES = "files"
COUNTS = "counts"

# Where a system does not offer a protection, this sentence says so.
PROTECTIONS = {
    LIMITS: "This system sets no limits of address space, processor time and size of files.",
    COUNTS: "Threads and memory of all processes together were not limited on this system.",
    OUTLIVING: "On this system, processes that it started can outlive it.",
    SIGNALS: "On this system, it can see and end other processes of this user.",
    NETWORK: "On this system, it can use the network.",
    FILES: "On this system, it can write wherever this user can.",
}
