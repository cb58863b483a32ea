"""Work on several machines: tasks that Ray places on the nodes of a cluster.

No other part imports Ray. A task is a function of the project and short arguments, such
as paths: what it reads and writes lies in folders that all nodes see.
"""

from competition.cluster import connection, nodes, on_node, shared_folder

Cluster = nodes.Cluster
Task = nodes.Task
opened = connection.opened
run_command = on_node.run_command
check_same = shared_folder.check
marked = shared_folder.marked
