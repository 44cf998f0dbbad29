"""Recordings of machines: /proc and /sys as files below a directory."""

from collections.abc import Mapping
from pathlib import Path

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"

MDSTAT = """\
Personalities : [raid10] [raid1]
md0 : active raid10 nvme3n1p1[3] nvme2n1p1[2] nvme1n1p1[1](F) nvme0n1p1[0]
      3750486016 blocks super 1.2 512K chunks 2 near-copies [4/3] [U_UU]
      [==>..................]  recovery = 12.6% (37043392/292945152) finish=127.5min
      bitmap: 4/28 pages [16KB], 65536KB chunk

md1 : active (auto-read-only) raid1 sdb1[1] sda1[0]
      1046528 blocks super 1.2 [2/2] [UU]

md2 : inactive sdc1[0](S)
      1046528 blocks super 1.2

unused devices: <none>
"""

BOND = """\
Ethernet Channel Bonding Driver: v6.1.0-40-amd64

Bonding Mode: IEEE 802.3ad Dynamic link aggregation
Transmit Hash Policy: layer3+4 (1)
MII Status: up
MII Polling Interval (ms): 100
Up Delay (ms): 0
Down Delay (ms): 0
Peer Notification Delay (ms): 0

802.3ad info
LACP active: on
LACP rate: fast
Min links: 0
Aggregator selection policy (ad_select): stable
System priority: 65535
System MAC address: 02:00:00:00:00:01
Active Aggregator Info:
\tAggregator ID: 1
\tNumber of ports: 2
\tActor Key: 15
\tPartner Key: 1000
\tPartner Mac Address: 02:00:00:00:00:99

Slave Interface: ens1f0
MII Status: up
Speed: 10000 Mbps
Duplex: full
Link Failure Count: 0
Permanent HW addr: 02:00:00:00:00:01
Slave queue ID: 0
Aggregator ID: 1

Slave Interface: ens2f0
MII Status: down
Speed: Unknown
Duplex: Unknown
Link Failure Count: 1
Permanent HW addr: 02:00:00:00:00:02
Slave queue ID: 0
Aggregator ID: 2
"""

BACKUP = """\
Ethernet Channel Bonding Driver: v6.1.0-40-amd64

Bonding Mode: fault-tolerance (active-backup) (fail_over_mac active)
Primary Slave: None
Currently Active Slave: ens1f0
MII Status: up
MII Polling Interval (ms): 0

Slave Interface: ens1f0
MII Status: up
Speed: 1000 Mbps
"""


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write files below a root."""
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def server(root: Path) -> Path:
    """Write a recording of two sockets with two cores of two threads each, RAID and bonds."""
    files = {
        "proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 8000000 kB\nSwapTotal: 0 kB\n",
        "proc/cpuinfo": "processor: 0\nmodel name\t: Example  CPU 2000\nflags\t\t: fpu tsc\n",
        "proc/stat": "cpu  60 0 20 100 0 0 0 20 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n",
        "proc/mdstat": MDSTAT,
        "proc/net/bonding/bond0": BOND,
        "proc/net/bonding/bond1": BACKUP,
        "proc/interrupts": "     CPU0 CPU1 CPU2 CPU3 CPU4 CPU5 CPU6 CPU7\n"
        " 64:   1   2   0   0   0   0   0   4  PCI-MSI 0-edge ens1f0-TxRx-0\n"
        "NMI:   0   0   0   0   0   0   0   0  Non-maskable interrupts\n",
        "proc/irq/64/smp_affinity_list": "0-7\n",
        "proc/self/cgroup": "0::/system.slice/probe.service\n",
        "proc/sys/kernel/osrelease": "6.1.0-40-amd64\n",
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
        "sys/fs/cgroup/system.slice/cpu.max": "300000 100000\n",
        "sys/fs/cgroup/system.slice/probe.service/cpu.max": "max 100000\n",
        "sys/fs/cgroup/system.slice/memory.max": "4294967296\n",
        "sys/fs/cgroup/system.slice/probe.service/memory.max": "max\n",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
        "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "1024\n",
        "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "24\n",
        f"{CPU}/online": "0-7\n",
        f"{CPU}/isolated": "\n",
        f"{CPU}/vulnerabilities/meltdown": "Mitigation: PTI\n",
        f"{NODE}/online": "0-1\n",
        f"{NODE}/node0/cpulist": "0-1,4-5\n",
        f"{NODE}/node1/cpulist": "2-3,6-7\n",
        f"{NODE}/node0/distance": "10 21\n",
        f"{NODE}/node1/distance": "21 10\n",
        f"{NODE}/node0/meminfo": "Node 0 MemTotal:  4194304 kB\nNode 0 MemFree: 1 kB\n",
        f"{NODE}/node1/meminfo": "Node 1 MemTotal:  4194304 kB\n",
        "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
        "sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet\n",
        "sys/class/net/ens1f0/operstate": "up\n",
        "sys/class/net/ens1f0/speed": "10000\n",
        "sys/class/net/ens1f0/mtu": "9000\n",
        "sys/class/net/ens1f0/device/numa_node": "1\n",
        "sys/class/net/ens1f0/device/msi_irqs/64": "msix\n",
        "sys/class/net/ens1f0/queues/rx-0/rps_cpus": "0\n",
        "sys/class/net/ens1f0/queues/tx-0/tx_maxrate": "0\n",
        "sys/class/net/lo/operstate": "unknown\n",
        "sys/class/scsi_host/host0/proc_name": "megaraid_sas\n",
        "sys/class/scsi_host/host1/proc_name": "ahci\n",
        "sys/block/sda/size": "1953525168\n",
        "sys/block/sda/queue/rotational": "1\n",
        "sys/block/sda/queue/scheduler": "none [mq-deadline] bfq\n",
        "sys/block/sda/queue/write_cache": "write back\n",
        "sys/block/sda/queue/read_ahead_kb": "128\n",
        "sys/block/sda/sda1/size": "1000\n",
        "sys/block/loop0/size": "1000\n",
        "sys/block/nvme0n1/size": "3750748848\n",
        "sys/block/nvme0n1/queue/scheduler": "[none] mq-deadline\n",
        "sys/block/nvme0n1/nvme0n1p1/size": "1000\n",
    }
    for cpu in range(8):
        core, socket = cpu % 4, cpu % 4 // 2
        place = f"{CPU}/cpu{cpu}"
        files |= {
            f"{place}/topology/physical_package_id": f"{socket}\n",
            f"{place}/topology/core_id": f"{core % 2}\n",
            f"{place}/topology/thread_siblings_list": f"{core},{core + 4}\n",
            f"{place}/cache/index3/level": "3\n",
            f"{place}/cache/index3/type": "Unified\n",
            f"{place}/cache/index3/size": "32768K\n",
            f"{place}/cache/index3/shared_cpu_list": "0-1,4-5\n" if socket == 0 else "2-3,6-7\n",
        }
    write(root, files)
    return root
