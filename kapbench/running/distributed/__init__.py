"""One run on many machines: shards, the job that another machine can do, and cluster executors."""
