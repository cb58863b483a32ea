"""Work on several machines: tasks that Ray places on the nodes of a cluster.

No other part imports Ray. A task is a function of the project and short arguments, such
as paths: what it reads and writes lies in folders that all nodes see.
"""

from competition.cluster import commands, connection, nodes

Cluster = nodes.Cluster
Command = commands.Command
Task = nodes.Task
opened = connection.opened
run_commands = commands.run
