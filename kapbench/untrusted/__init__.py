"""What others wrote: files, text, ids and plug-ins, checked where they enter."""
