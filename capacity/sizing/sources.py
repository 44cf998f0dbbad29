"""The pages that values rest on, in the version that Debian ships.

Debian 12 has PostgreSQL 15 and HAProxy 2.6, Debian 13 PostgreSQL 17 and HAProxy 3.0.
"""

from dataclasses import dataclass
from typing import Literal

VERSIONS = {12: ("15", "2.6"), 13: ("17", "3.0")}

KERNEL = "https://docs.kernel.org"
VM = f"{KERNEL}/admin-guide/sysctl/vm.html"
NET = f"{KERNEL}/admin-guide/sysctl/net.html"
IP = f"{KERNEL}/networking/ip-sysctl.html"
NETWORK_SCALING = f"{KERNEL}/networking/scaling.html"
IRQ_AFFINITY = f"{KERNEL}/core-api/irq/irq-affinity.html"
NUMA_BALANCING = f"{KERNEL}/admin-guide/sysctl/kernel.html#numa-balancing"
CPU_FREQUENCY = f"{KERNEL}/admin-guide/pm/cpufreq.html"
ETHTOOL = "https://man7.org/linux/man-pages/man8/ethtool.8.html"
VALKEY_CONF = "https://valkey.io/topics/valkey.conf/"
VALKEY_CLIENTS = "https://valkey.io/topics/clients/"
VALKEY_EVICTION = "https://valkey.io/topics/lru-cache/"
VALKEY_PERSISTENCE = "https://valkey.io/topics/persistence/"
SCHEDULER = (
    "https://docs.redhat.com/en/documentation/red_hat_enterprise_linux/10/html/"
    "monitoring_and_managing_system_status_and_performance/setting-the-disk-scheduler"
)
SCHEDULER_HDD = (
    "https://docs.oracle.com/en/database/oracle/oracle-database/23/ladbi/"
    "setting-the-disk-io-scheduler-on-linux.html"
)
LITTLE = "Little's law: connections busy at once = rate × time each"
OURS = "rizzpay: docs/capacity.md"


@dataclass(frozen=True, slots=True)
class Pages:
    """Addresses of documentation for one release of Debian."""

    debian: Literal[12, 13]

    def postgresql(self, page: str, name: str) -> str:
        """Return where PostgreSQL documents a parameter."""
        anchor = f"GUC-{name.upper().replace('_', '-')}"
        version = VERSIONS[self.debian][0]
        return f"https://www.postgresql.org/docs/{version}/{page}.html#{anchor}"

    def postgresql_page(self, page: str, anchor: str) -> str:
        """Return a section of PostgreSQL's documentation."""
        return f"https://www.postgresql.org/docs/{VERSIONS[self.debian][0]}/{page}.html#{anchor}"

    def haproxy(self, keyword: str) -> str:
        """Return where HAProxy documents a keyword."""
        version = VERSIONS[self.debian][1]
        return f"https://docs.haproxy.org/{version}/configuration.html#{keyword}"
