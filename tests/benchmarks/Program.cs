using Preconf.Native.Benchmarks;

return args switch
{
    ["net-run", string scenario, ..] => await Suite.RunScenarioAsync(scenario, args),
    ["micro", ..] => Suite.Micro(args[1..]),
    ["ring", ..] => Suite.Ring(args[1..]),
    ["net", ..] => await Suite.NetAsync(args[1..]),
    [] or ["--quick"] => await Suite.AllAsync(args),
    _ => Suite.Usage(),
};
