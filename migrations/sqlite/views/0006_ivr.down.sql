DROP TABLE ivr_sessions;
DROP TABLE ivr_menus;
DELETE FROM projection_generations WHERE projection IN ('ivr_menus', 'ivr_sessions');
DELETE FROM projections WHERE name IN ('ivr_menus', 'ivr_sessions');
