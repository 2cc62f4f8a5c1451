-- There are no knowledge bases.
DROP TABLE kb_documents;
DROP TABLE kb;
DELETE FROM projection_generations WHERE projection IN ('kb', 'kb_documents');
DELETE FROM projections WHERE name IN ('kb', 'kb_documents');
