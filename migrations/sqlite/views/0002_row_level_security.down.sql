SELECT 1; -- there is nothing to take back
