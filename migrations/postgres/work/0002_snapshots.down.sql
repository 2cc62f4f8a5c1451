DROP TABLE work_snapshots;
