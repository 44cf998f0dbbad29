"""Looks at this machine: /proc and /sys to a `Machine`. Unprivileged; changes nothing."""
