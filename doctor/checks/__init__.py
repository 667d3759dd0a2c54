"""One file, one check: a pure function of Facts.  Adding a file here adds the check."""
