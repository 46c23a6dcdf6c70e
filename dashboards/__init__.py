"""What people see: panels, charts, pages, exports."""
