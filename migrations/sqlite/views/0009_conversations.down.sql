DROP TABLE messages;
DROP TABLE conversations;
DROP TABLE tools;
DROP TABLE agents;
DELETE FROM projection_generations WHERE projection IN ('agents', 'tools', 'conversations', 'messages');
DELETE FROM projections WHERE name IN ('agents', 'tools', 'conversations', 'messages');
