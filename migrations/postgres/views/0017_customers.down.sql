-- There are no customers.
DROP TABLE customer_keys;
DROP TABLE customers;
DELETE FROM projection_generations WHERE projection = 'customers';
DELETE FROM projections WHERE name = 'customers';
DROP INDEX calls_by_customer;
DROP INDEX calls_by_person;
DROP INDEX conversations_by_customer;
ALTER TABLE calls DROP COLUMN customer_id;
ALTER TABLE calls DROP COLUMN person;
ALTER TABLE conversations DROP COLUMN customer_id;
