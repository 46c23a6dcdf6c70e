"""What OpsWatch must remember exactly, in state.sqlite: the only home of SQLAlchemy."""

from opswatch.state.database import migrate_state
from opswatch.state.state import State

__all__ = ["State", "migrate_state"]
