using Preconf.Native.Soak;

if (!SoakOptions.TryParse(args, out SoakOptions? options, out string? fault))
{
    Console.Error.WriteLine($"error: {fault}");
    Console.Error.WriteLine(SoakOptions.Usage);
    return 2;
}

return await Soak.RunAsync(options) ? 0 : 1;
