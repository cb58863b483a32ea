"""All families of encoders, by the names of their encoders."""

from competition.net.networks.encoders import applications, hub, mit

FAMILIES = {**applications.FAMILIES, **hub.FAMILIES, **mit.FAMILIES}
