//! What is read of real git repositories, and what is planned from it. (To come: the tests.)
