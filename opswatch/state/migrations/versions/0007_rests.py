"""A message to one address of a receiver, which could not take it when the others did. Shell."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("delivery", sa.Column("only", sa.String, nullable=False, server_default=""))
    op.add_column("delivery", sa.Column("without", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("delivery", sa.Column("rest_of", sa.Integer))
