-- Nothing is remembered of customers.
DROP TABLE memories;
DELETE FROM projection_generations WHERE projection = 'memories';
DELETE FROM projections WHERE name = 'memories';
