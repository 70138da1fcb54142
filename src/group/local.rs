//! Which of its machine's ranks a process is, so that each takes a GPU of its own.

/// The number among the ranks of this machine, as `mpirun` of Open MPI and of MPICH and `srun` of Slurm say it; none where nobody says it.
pub(crate) fn local_rank(variable: impl Fn(&str) -> Option<String>) -> Option<usize> {
    ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"].into_iter().find_map(|name| variable(name)?.parse().ok())
}

/// Which of so many things a rank takes: one of its own while there are enough, and the first where there are no ranks.
pub(crate) fn taken_by(local_rank: Option<usize>, count: usize) -> usize {
    local_rank.map_or(0, |rank| rank % count.max(1))
}

#[cfg(test)]
mod tests {
    use super::{local_rank, taken_by};

    #[test]
    fn ranks_of_a_machine_take_one_each_in_turn() {
        let started = |by: &'static str| move |name: &str| (name == by).then(|| "5".to_owned());
        for launcher in ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"] {
            assert_eq!(local_rank(started(launcher)), Some(5));
        }
        assert_eq!(local_rank(|_| None), None);
        assert_eq!([0, 1, 2, 3, 4].map(|rank| taken_by(Some(rank), 4)), [0, 1, 2, 3, 0]);
        assert_eq!([taken_by(None, 4), taken_by(Some(3), 0)], [0, 0]);
    }
}
