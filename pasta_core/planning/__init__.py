"""Where a profile's models live, what that takes, and how long a turn takes: planned without loading one."""
