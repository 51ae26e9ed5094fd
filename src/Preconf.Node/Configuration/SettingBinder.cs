using System.Collections;
using System.Reflection;
using Preconf.Native.Network;

namespace Preconf.Node.Configuration;

/// <summary>Puts entries where they belong in <see cref="NodeSettings"/>; a fault for each that does not fit, none stopping the others.</summary>
internal static class SettingBinder
{
    /// <summary>Finds the exact path of a key, whose parts may be written in any case, with - or _ between words.</summary>
    /// <param name="key">Parts joined by colons.</param>
    /// <returns>The path, or null when there is no such setting.</returns>
    public static string? PathOf(string key)
    {
        List<string> path = [];
        Type type = typeof(P2pConfig);
        string[] parts = key.Split(':');
        for (int i = 0; i < parts.Length; i++)
        {
            PropertyInfo? property = Find(type, parts[i]) ?? (i == 0 ? Find(typeof(NodeSettings), parts[i]) : null);
            if (property is null || property.Name is nameof(NodeSettings.Node) or nameof(NodeSettings.UnknownVariables) || IsSection(property.PropertyType) != (i < parts.Length - 1))
            {
                return null;
            }

            path.Add(property.Name);
            type = property.PropertyType;
        }

        return string.Join(':', path);
    }

    /// <summary>Sets what the layer has.</summary>
    /// <param name="layer">Entries by exact path.</param>
    /// <param name="settings">Takes the values.</param>
    /// <returns>The faults.</returns>
    public static List<string> Bind(SettingLayer layer, NodeSettings settings)
    {
        List<string> faults = [];
        foreach ((string path, SettingEntry entry) in layer.Entries)
        {
            string[] parts = path.Split(':');
            object target = Find(typeof(P2pConfig), parts[0]) is null ? settings : settings.Node;
            foreach (string part in parts[..^1])
            {
                target = Find(target.GetType(), part)!.GetValue(target)!;
            }

            Assign(target, Find(target.GetType(), parts[^1])!, entry, faults);
        }

        return faults;
    }

    /// <summary>Whether a setting takes several values.</summary>
    /// <param name="path">Its path.</param>
    public static bool IsList(string path)
    {
        Type type = typeof(P2pConfig);
        foreach (string part in path.Split(':'))
        {
            type = Find(type, part)?.PropertyType ?? typeof(string);
        }

        return ElementOf(type) is not null;
    }

    private static void Assign(object target, PropertyInfo property, SettingEntry entry, List<string> faults)
    {
        Type? element = ElementOf(property.PropertyType);
        if (element is null)
        {
            if (entry.Values.Count != 1)
            {
                faults.Add($"{entry.Source}: {entry.Values.Count} values; it takes one");
            }
            else if (TryConvert(property.PropertyType, entry, entry.Source, 0, faults, out object? value))
            {
                property.SetValue(target, value);
            }

            return;
        }

        IList list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(element))!;
        for (int i = 0; i < entry.Values.Count; i++)
        {
            string source = entry.Values.Count == 1 ? entry.Source : $"{entry.Source}[{i}]";
            if (TryConvert(element, entry, source, i, faults, out object? value))
            {
                list.Add(value);
            }
        }

        property.SetValue(target, list);
    }

    private static bool TryConvert(Type type, SettingEntry entry, string source, int index, List<string> faults, out object? value)
    {
        if (SettingText.TryConvert(type, entry.Values[index], out value, out string wanted))
        {
            return true;
        }

        faults.Add($"{source}: {(entry.Values[index] is { } text ? $"'{text}'" : "null")} is not {wanted}");
        return false;
    }

    private static PropertyInfo? Find(Type type, string name)
    {
        string plain = name.Replace("-", string.Empty, StringComparison.Ordinal).Replace("_", string.Empty, StringComparison.Ordinal);
        return type.GetProperty(plain, BindingFlags.Public | BindingFlags.Instance | BindingFlags.IgnoreCase);
    }

    private static Type? ElementOf(Type type) => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IList<>) ? type.GetGenericArguments()[0] : null;

    private static bool IsSection(Type type) => type.IsClass && type != typeof(string) && ElementOf(type) is null;
}
