"""Where a score is lost: the places of wrong matches, and what each kind of error costs in KAP."""
