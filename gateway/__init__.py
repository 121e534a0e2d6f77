"""Records what people do, answers what they ask: the HTTP edge of Heliograph."""
