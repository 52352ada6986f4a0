// A configuration to start from, complete for one member of three.

/** Written for a person: only what must be chosen, the rest has defaults. */
export function generateSampleConfig(): string {
  return `# vigil: one member of a cluster. All members have the same scope and the same etcd3 section.
scope: main
name: amber

restapi:
  listen: 0.0.0.0:8008
  # Where the other members and load balancers find it.
  connect_address: 10.0.0.1:8008
  # Whoever wants to change something must say this.
  authentication:
    username: vigil
    password: change-me-1

etcd3:
  hosts: [10.0.0.1:2379, 10.0.0.2:2379, 10.0.0.3:2379]

# Used once, by the member that makes the cluster. Afterwards: vigil edit-config.
bootstrap:
  dcs:
    ttl: 10
    loop_wait: 2
    retry_timeout: 3
    maximum_lag_on_failover: 1MB
    postgresql:
      use_pg_rewind: true
      parameters:
        max_connections: 200
  initdb:
    - encoding: UTF8
    - data-checksums

postgresql:
  listen: 0.0.0.0:5432
  connect_address: 10.0.0.1:5432
  data_dir: /var/lib/postgresql/15/main
  bin_dir: /usr/lib/postgresql/15/bin
  authentication:
    superuser:
      username: postgres
      password: change-me-2
    replication:
      username: replicator
      password: change-me-3
  pg_hba:
    - local all all peer
    - host all all 127.0.0.1/32 scram-sha-256
    - host replication replicator 10.0.0.0/24 scram-sha-256
    - host all all 10.0.0.0/24 scram-sha-256

tags:
  nofailover: false
  clonefrom: false
`
}
