"""Downloads data sets: sources pinned by hash, resumed transfers, archives unpacked safely."""
