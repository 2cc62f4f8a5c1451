DROP TABLE content_keys;
DROP TABLE privacy_exports;
DROP TABLE privacy_jobs;
DROP TABLE subject_keys;
