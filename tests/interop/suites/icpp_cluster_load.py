"""The icpp-cluster-load suite: parts of a cluster are drained, killed and held up under load, over trunks in the clear and in TLS.

The clients are those of the Python package, which count: no accepted message may be lost, none shown twice. INTEROP_KILLS says
how often each part is killed.
"""

from . import icpp_cluster_ends
from .icpp_cluster_stage import Cluster, perform_clusters

CLUSTERS = (
    ("plain", lambda folder: Cluster(folder), icpp_cluster_ends.stage.plays),
    ("tls", lambda folder: Cluster(folder, tls="pin"), icpp_cluster_ends.stage.plays),
)


def run(server, only=()):
    return perform_clusters("icpp-cluster-load", CLUSTERS, server, only)
