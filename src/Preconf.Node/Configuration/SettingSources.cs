using System.CommandLine;
using Microsoft.Extensions.Configuration;
using Preconf.Native.Network;

namespace Preconf.Node.Configuration;

/// <summary>Reads the settings of a command: flags over environment over file.</summary>
internal static class SettingSources
{
    private const string EnvironmentPrefix = "PRECONF_";
    private const string Negated = "!";

    // Names of flags that differ from those of P2pConfig; the environment and files may use them too.
    private static readonly Dictionary<string, string> Aliases = new(StringComparer.OrdinalIgnoreCase)
    {
        ["datadir"] = "DataDirectory",
        ["staticpeer"] = "StaticPeers",
        ["trustedpeer"] = "TrustedPeers",
        ["bootnode"] = "Bootnodes",
        ["targetpeers"] = "Peers:Target",
        ["maxpeers"] = "Peers:Max",
        ["block"] = "Gater:Blocked",
        ["externaladdress"] = "ExternalAddresses",
        ["expectedsigner"] = "ExpectedSigners",
        ["noupnp"] = Negated + "Nat:Upnp",
        ["noautonat"] = Negated + "Nat:AutoNat",
        ["relay"] = "Nat:Relays",
        ["norelay"] = Negated + "Nat:RelayClient",
        ["relayserver"] = "Nat:RelayServer",
        ["noholepunching"] = Negated + "Nat:HolePunching",
        ["nocatchup"] = Negated + "CatchUp",
        ["nodiscovery"] = Negated + "EnableDiscovery",
    };

    /// <summary>Reads everything.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="flags">The flags to look at; each is named as its setting or an alias of it.</param>
    /// <returns>The settings, converted but not checked against each other.</returns>
    /// <exception cref="P2pConfigException">Faults; all are named, those of the node's configuration too.</exception>
    public static NodeSettings Read(ParseResult parse, IEnumerable<Option> flags)
    {
        List<string> faults = [];
        SettingLayer given = Flags(parse, flags);
        SettingLayer environment = FromEnvironment(out string? configuredFile, out List<string> unknown);
        string? file = parse.GetResult(NodeOptions.ConfigFile) is { Implicit: false } ? parse.GetValue(NodeOptions.ConfigFile) : configuredFile;
        SettingLayer fromFile = file is null ? new SettingLayer() : FromFile(file, faults);

        NodeSettings settings = new() { UnknownVariables = unknown };
        SettingLayer merged = SettingLayer.Merge(given, environment, fromFile);
        faults.AddRange(SettingBinder.Bind(merged, settings));
        faults.AddRange(settings.Node.Validate().Select(fault => Named(fault, merged)));
        bool namesSigners = merged.Entries.TryGetValue(SettingLayer.ExpectedSignersPath, out SettingEntry? signers) && signers.Values.Count != 0;
        bool saysWhich = merged.Entries.ContainsKey(SettingLayer.AnySignerPath) && merged.AnySigner != false;
        if (flags.Contains(NodeOptions.Listen) && !namesSigners && !saysWhich)
        {
            faults.Add($"{NodeOptions.ExpectedSigner.Name}: none given; name the elected preconfers, or use {NodeOptions.AnySigner.Name} on a test network");
        }

        return faults.Count == 0 ? settings : throw new P2pConfigException(faults);
    }

    // A fault found later starts with the setting's own name; the user knows it by what they wrote.
    private static string Named(string fault, SettingLayer merged)
    {
        int end = fault.AsSpan().IndexOfAny('[', ':', ',');
        return end > 0 && merged.Entries.TryGetValue(fault[..end].Replace('.', ':'), out SettingEntry? entry)
            ? string.Concat(entry.Source, fault.AsSpan(end))
            : fault;
    }

    private static SettingLayer Flags(ParseResult parse, IEnumerable<Option> flags)
    {
        SettingLayer layer = new();
        foreach (Option flag in flags)
        {
            if (parse.GetResult(flag) is not { Implicit: false } result || Resolve(flag.Name.TrimStart('-'), out bool negated) is not { } path)
            {
                continue;
            }

            string[] values = flag is Option<bool> ? [parse.GetValue((Option<bool>)flag) ? "true" : "false"] : [.. result.Tokens.Select(token => token.Value)];
            layer.Entries[path] = new SettingEntry(flag.Name, [.. values.Select(value => negated ? Not(value) : value)]);
        }

        return layer;
    }

    private static SettingLayer FromEnvironment(out string? file, out List<string> unknown)
    {
        IConfigurationRoot root = new ConfigurationBuilder().AddEnvironmentVariables(EnvironmentPrefix).Build();
        SettingLayer layer = new();
        file = null;
        unknown = [];
        foreach ((string key, string? value) in root.AsEnumerable())
        {
            if (string.IsNullOrEmpty(value))
            {
                continue;
            }

            string source = EnvironmentPrefix + key.Replace(":", "__", StringComparison.Ordinal);
            if (key.Equals("CONFIG", StringComparison.OrdinalIgnoreCase))
            {
                file = value;
            }
            else if (Resolve(key, out bool negated) is { } path)
            {
                string[] values = SettingBinder.IsList(path) ? value.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) : [value];
                layer.Entries[path] = new SettingEntry(source, [.. values.Select(text => negated ? Not(text) : text)]);
            }
            else
            {
                unknown.Add(source);
            }
        }

        return layer;
    }

    private static SettingLayer FromFile(string file, List<string> faults)
    {
        SettingLayer layer = new();
        try
        {
            IConfigurationRoot root = new ConfigurationBuilder().AddJsonFile(Path.GetFullPath(file), optional: false, reloadOnChange: false).Build();
            Walk(root, Path.GetFileName(file), string.Empty, layer, faults);
        }
        catch (Exception error) when (error is FileNotFoundException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            string why = error is FileNotFoundException ? "there is no such file" : (error.InnerException ?? error).Message;
            faults.Add($"--config {file}: {why}");
        }

        return layer;
    }

    private static void Walk(IConfiguration at, string file, string prefix, SettingLayer layer, List<string> faults)
    {
        foreach (IConfigurationSection section in at.GetChildren())
        {
            string key = prefix + section.Key;
            string source = $"{file}: {key.Replace(':', '.')}";
            IConfigurationSection[] children = [.. section.GetChildren()];
            bool isList = children.Length != 0 && children.All(child => int.TryParse(child.Key, out _) && !child.GetChildren().Any());
            if (children.Length != 0 && !isList)
            {
                Walk(section, file, key + ":", layer, faults);
                continue;
            }

            if (Resolve(key, out bool negated) is not { } path)
            {
                faults.Add($"{source}: there is no such setting");
                continue;
            }

            // An empty array arrives as an empty text.
            string?[] values = isList ? [.. children.OrderBy(child => int.Parse(child.Key, System.Globalization.CultureInfo.InvariantCulture)).Select(child => child.Value)]
                : SettingBinder.IsList(path) && string.IsNullOrEmpty(section.Value) ? []
                : [section.Value];
            layer.Entries[path] = new SettingEntry(source, [.. values.Select(value => negated ? Not(value) : value)]);
        }
    }

    private static string? Resolve(string key, out bool negated)
    {
        string plain = key.Replace("-", string.Empty, StringComparison.Ordinal).Replace("_", string.Empty, StringComparison.Ordinal);
        string name = Aliases.GetValueOrDefault(plain, plain);
        negated = name.StartsWith(Negated, StringComparison.Ordinal);
        return SettingBinder.PathOf(negated ? name[1..] : name);
    }

    private static string? Not(string? text) =>
        SettingText.TryConvert(typeof(bool), text, out object? value, out _) ? (bool)value! ? "false" : "true" : text;
}
