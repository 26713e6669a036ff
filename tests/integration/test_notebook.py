"""The notebook runs from top to bottom in a real kernel and shows its figures."""

import os
import signal
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from tensorboard import manager

ROOT = Path(__file__).parents[2]
WIDGET = "application/vnd.jupyter.widget-view+json"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jupyter's own parts


def data_of(cell):
    return [output.data for output in cell.outputs if "data" in output]


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Run the notebook; return its code cells."""
    notebook = nbformat.read(ROOT / "examples" / "notebook.ipynb", as_version=4)
    own = str(tmp_path_factory.mktemp("notebook"))
    home = {"resources": {"metadata": {"path": str(ROOT)}}, "timeout": 840}
    with pytest.MonkeyPatch.context() as patch:
        # The magic looks for the command on the path, where an activated environment has it.
        patch.setenv(
            "PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        )
        # TensorBoard notes its servers in the temporary folder: in its own it meets no other's.
        patch.setenv("TMPDIR", own)
        NotebookClient(notebook, kernel_name="python3", **home).execute()
    yield [cell for cell in notebook.cells if cell.cell_type == "code"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", own)
        for info in manager.get_all():
            os.kill(info.pid, signal.SIGTERM)


def test_the_wrapper_shows_a_figure_that_can_be_turned(cells):
    for cell in cells[:2]:
        assert [WIDGET in data for data in data_of(cell)] == [True], cell.outputs
    assert data_of(cells[2])[0]["text/plain"] == "torch.Size([1, 4, 9, 9])"


def test_the_recording_of_a_loop_is_read_back_and_drawn(cells):
    steps = cells[4].outputs[0].text
    assert steps.startswith("(0, ") or steps.startswith("[0, ")
    assert data_of(cells[4])[0]["text/plain"] == "(7, 2, 4)"
    for cell in cells[5:7]:
        assert len(data_of(cell)[-1]["image/png"]) > 4000


def test_tensorboard_opens_below_its_cell(cells):
    assert any("iframe" in data.get("text/html", "") for data in data_of(cells[7]))
