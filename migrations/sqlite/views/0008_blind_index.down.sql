-- The views of calls and sessions begin anew, with what is searched by in plain.
DELETE FROM calls;
DELETE FROM ivr_sessions;
DELETE FROM tallies WHERE view IN ('calls', 'ivr_sessions');
DELETE FROM projection_generations WHERE projection IN ('calls', 'ivr_sessions');
DELETE FROM projections WHERE name IN ('calls', 'ivr_sessions');
