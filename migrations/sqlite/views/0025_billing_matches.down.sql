-- There is no match with the carrier's records.
DROP TABLE billing_matches;
DELETE FROM calls;
DELETE FROM tallies WHERE view = 'calls';
DELETE FROM projection_generations WHERE projection IN ('billing_matches', 'calls');
DELETE FROM projections WHERE name IN ('billing_matches', 'calls');
