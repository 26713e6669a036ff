#!/usr/bin/env bash
# A notebook may send a widget's messages to a subshell, so that they are answered while a cell runs
# (JEP 91). Once the kernel itself has sent anything on that comm from the main shell, opening it
# included, ipykernel hands those messages to the main shell all the same: they wait for the cell's end.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check \
  ipykernel==7.4.0 jupyter-client==8.10.0 comm==0.2.3 ipython==9.18.1
export IPYTHONDIR="$folder/ipython" JUPYTER_RUNTIME_DIR="$folder/runtime"
"$folder/env/bin/python" -W ignore - <<'PY' 2>/dev/null
import ast
from importlib.metadata import version
from queue import Empty

from jupyter_client import KernelManager

CELL = """
import comm, time
heard = []
if {opened_by!r} == "the kernel":
    channel = comm.create_comm(target_name="widget")
    channel.on_msg(lambda message: heard.append("while the cell ran"))
else:
    def opened(channel, message):
        channel.on_msg(lambda message: heard.append("while the cell ran"))
    comm.get_comm_manager().register_target("widget", opened)
print("ready", flush=True)
end = time.monotonic() + 5
while time.monotonic() < end:
    time.sleep(.05)
print(heard)
"""


def answered(opened_by):
    manager = KernelManager()
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(60)
    client.control_channel.send(client.session.msg("create_subshell_request"))
    subshell = client.get_control_msg(timeout=30)["content"]["subshell_id"]

    def send(kind, **content):
        message = client.session.msg(kind, content={"data": {}, **content})
        message["header"]["subshell_id"] = subshell
        client.shell_channel.send(message)

    client.execute(CELL.format(opened_by=opened_by))
    name, said = "from-the-notebook", ""
    while "[" not in said:
        message = client.get_iopub_msg(timeout=60)
        if message["msg_type"] == "comm_open":
            name = message["content"]["comm_id"]
        text = message["content"].get("text", "") if message["msg_type"] == "stream" else ""
        said += text
        if "ready" in text:
            if opened_by == "the notebook":
                send("comm_open", comm_id=name, target_name="widget")
            send("comm_msg", comm_id=name)
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    return ast.literal_eval(said[said.index("[") :])


print("ipykernel", version("ipykernel"))
found = {who: answered(who) for who in ("the notebook", "the kernel")}
for who, heard in found.items():
    print(f"a comm that {who} opened, a message sent to the subshell:", heard or "not heard before the cell ended")
assert found == {"the notebook": ["while the cell ran"], "the kernel": []}, found
PY
