mod bed;
mod ending;
mod programs;
mod receivers;
