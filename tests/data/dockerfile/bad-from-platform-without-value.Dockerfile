FROM --platform= 
