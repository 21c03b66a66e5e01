"""The icpp-cluster suite: back-ends and front-ends, each a process of its own: what is passed on, who is sent elsewhere, and who is
let in. What happens when parts end is in icpp-cluster-load."""

from . import icpp_cluster_hostile, icpp_cluster_people
from .icpp_cluster_homes import (
    Islands, everybody_is_sent_home, misconfigured_front_ends_send_nobody_in_circles, new_clients_go_where_less_waits_for_slow_ones,
    new_clients_go_where_processors_have_less_to_do, new_clients_go_where_there_is_less_to_do,
    servers_send_clients_to_the_server_of_their_home, two_back_ends_have_half_of_the_accounts_each)
from .icpp_cluster_people import a_back_end_with_another_certificate_is_not_spoken_to, a_ticket_expires
from .icpp_cluster_stage import EVERY_SLOT, HALVES, Cluster, perform_clusters

# Each says that everybody belongs to the other.
CROSSED = {"fe1": {"edge.homes": EVERY_SLOT % "fe2"}, "fe2": {"edge.homes": EVERY_SLOT % "fe1"}}
# Both say that everybody belongs to the second.
HOMES = {name: {"edge.homes": EVERY_SLOT % "fe2"} for name in ("fe1", "fe2")}
# The first half of the accounts belongs to the first, and the other to the second.
SPLIT = {name: {"edge.homes": ",".join("%s %s" % pair for pair in zip(HALVES, ("fe1", "fe2")))} for name in ("fe1", "fe2")}


def balanced(**weights):
    """The first sheds load, by one figure alone."""
    alone = {"balance.%s_weight" % name: 0 for name in ("sessions", "cpu", "outbox")}
    pairs = {"balance.enabled": "true", "balance.dwell_s": 1, **alone}
    pairs.update({"balance." + name: value for name, value in weights.items()})
    return {"fe1": pairs}


# Six clients are three fifths of a full load: the sixth is there before anything is shed.
BY_SESSIONS = balanced(sessions_weight=1, sessions_full=10, enter_permille=500)
BY_CPU = balanced(cpu_weight=1, enter_permille=20, leave_permille=5)
BY_OUTBOX = balanced(outbox_weight=1, outbox_full_bytes=100_000, enter_permille=500)

PEOPLE = icpp_cluster_people.stage.plays
CLUSTERS = (
    ("plain", lambda folder: Cluster(folder), PEOPLE + icpp_cluster_hostile.stage.plays),
    ("tls", lambda folder: Cluster(folder, tls="pin"), PEOPLE + [(a_back_end_with_another_certificate_is_not_spoken_to, (), 60)]),
    ("crossed", lambda folder: Cluster(folder, **CROSSED), [(misconfigured_front_ends_send_nobody_in_circles, (), 60)]),
    ("homes", lambda folder: Cluster(folder, **HOMES), [(everybody_is_sent_home, (), 60)]),
    ("sessions", lambda folder: Cluster(folder, **BY_SESSIONS), [(new_clients_go_where_there_is_less_to_do, (), 60)]),
    ("cpu", lambda folder: Cluster(folder, **BY_CPU), [(new_clients_go_where_processors_have_less_to_do, (), 90)]),
    ("outbox", lambda folder: Cluster(folder, **BY_OUTBOX), [(new_clients_go_where_less_waits_for_slow_ones, (), 90)]),
    ("brief", lambda folder: Cluster(folder, accounts={"icpp.ticket_s": 1}), [(a_ticket_expires, (), 60)]),
    ("halves", lambda folder: Cluster(folder, 2, tls="ca", **SPLIT), [(two_back_ends_have_half_of_the_accounts_each, (), 150)]),
    ("islands", Islands, [(servers_send_clients_to_the_server_of_their_home, (), 60)]),
)


def run(server, only=()):
    return perform_clusters("icpp-cluster", CLUSTERS, server, only)
